"""press/execute"""
