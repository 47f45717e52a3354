"""lab/dask"""
