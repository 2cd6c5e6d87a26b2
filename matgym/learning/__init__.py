"""Everything that a training shares, whatever it trains.

`trainer` is the loop, which goes on where it was killed, `config` reads what it is told, `store` keeps what comes of
it, `metrics` judges it, `devices` says where. Nothing here knows what a nanotube or a furnace is.
"""
