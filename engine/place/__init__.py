"""Where what must last is put: a folder or a prefix of a bucket, in which a name is given once."""
