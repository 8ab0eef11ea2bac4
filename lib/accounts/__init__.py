"""The pack's configuration and the accounts that it names. Below every lane to a cloud."""
