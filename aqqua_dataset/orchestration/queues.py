"""Which runs wait for each other: the tag that the limits in ``dagster.yaml`` count.

One run that works on the collection at a time, in the order in which they were asked for: the sensor's count comes
after the contributions that it counts. A fetch that takes days has a place of its own and holds up nothing.
"""

WORK, FETCH = {"queue": "work"}, {"queue": "fetch"}
