"""From a brief to tubes that meet it: `matgym.design` in Python, `matgym design` on the command line."""
