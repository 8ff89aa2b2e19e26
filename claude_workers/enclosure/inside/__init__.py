"""What runs inside an enclosure; bound read-only there, imported by nothing outside."""
