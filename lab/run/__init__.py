"""lab/run"""
