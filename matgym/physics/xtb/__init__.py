"""The level above the π models: extended tight binding (GFN1-xTB and GFN2-xTB) by tblite."""
