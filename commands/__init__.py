"""The commands of train.py, one file each, and the parts that they share."""
