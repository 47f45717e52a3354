"""press/resolve"""
