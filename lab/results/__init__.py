"""lab/results"""
