"""The report to a contributor: what arrived, what was understood and how, what to check, how credit is given.

``gather`` asks the warehouse for aggregates and a few examples (``facts``); ``content`` puts them into plain words
once; ``html`` and ``markdown`` render those words. No module here decides what data mean.
"""
