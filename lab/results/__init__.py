"""Results on disk: what is written, how it is read back, and who may write it when.

`codec` turns a Result into JSON and CSV and back, to the last bit.  `store` writes such files so that they are whole or not there, and
checks them when they are read; `reading` says whether what lies there is what is wanted, and makes the Result; `key_diff` says what
changed since.  `writing` lets one process at a time compute a result, and says what to do when a disk refuses.  `shared_cache` is a
team's store at a URL.

Nothing here computes a result, and nothing is ever unpickled.
"""
