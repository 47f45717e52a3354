"""lab/book"""
