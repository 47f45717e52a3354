"""press/read"""
