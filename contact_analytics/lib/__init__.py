"""What every vendor shares and no vendor owns. Nothing here imports a vendor or defines an asset."""
