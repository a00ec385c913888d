"""What people and programs read: tables, JSON, the page."""
