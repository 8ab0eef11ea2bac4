"""What a devcloud runs inside the processes of Nova and Neutron."""
