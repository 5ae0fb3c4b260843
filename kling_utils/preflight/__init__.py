"""What can be known before money is spent: legal or not, what the content will do, repairs, and the price.

Refuses to know how a request is sent, stored or shown, and measures nothing itself: that is ``media.probe``.
"""
