"""Clusters that stay up: a process of its own holds each, and a folder says where it is.

The folder is `~/.millrace/clusters/<name>`. Its files: ``spec.json`` what is to be opened,
``keeper.json`` the process that does, ``cluster.json`` where the cluster is, once it is,
``failure.json`` why it is not, ``log``, and the certificates.
"""
