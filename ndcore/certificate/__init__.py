"""What no change of a single pixel can do unnoticed: proven, image by image.

R_v(x) is the image x with pixel v replaced by the per-channel median of its (up to 8) neighbours,
f the network. The rule `flip` raises the alarm on an image if any R_v of it has another label.

1. The median leaves the centre out: where x' differs from x at v alone, R_v(x') = R_v(x), byte for
   byte.
2. If every repair of x has the label f(x), then so has R_v(x), and with it R_v(x').
3. So if f(x') is another label, the repair R_v(x') disagrees with it: alarm.
"""

from ndcore.certificate.one_pixel import Certificate, Hole, certify
from ndcore.certificate.shares import certified_shares

__all__ = ["Certificate", "Hole", "certified_shares", "certify"]
