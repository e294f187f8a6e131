"""What train.py does, a file for each of its answers; the parts that they share are in build.py."""
