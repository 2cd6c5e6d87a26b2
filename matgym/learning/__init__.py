"""Everything that a training shares, whatever it trains.

`trainer` is the loop, `checkpoint` lets a killed one go on, `config` reads what it is told, `store` keeps what comes of
it, `metrics` and `calibration` judge it, `cross_validation` repeats it, `engines` run it, `devices` say
where. Nothing here knows what a nanotube or a furnace is.
"""
