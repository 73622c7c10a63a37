"""All cases, in the order of the board."""
import dns_data, http_data, ip_data, link_data, tcp_data, tcp_ends, tls_data
from case import CASES

CASES.sort(key=lambda each: ("TIVLSQDA".index(each.name[0]), int(each.name[1:])))
assert len({each.file for each in CASES}) == len(CASES), "two cases share a name"
