"""A tight-binding calculator, GFN1-xTB by tblite, gives the reward."""

from tblite.ase import TBLite

from scripts.compat.ase_model import check_reward


def main():
    check_reward(TBLite(method="GFN1-xTB", verbosity=0))


if __name__ == "__main__":
    main()
