"""lab/keys"""
