"""What experiments share: names data, networks, and ensembles of many seeds trained as one."""
