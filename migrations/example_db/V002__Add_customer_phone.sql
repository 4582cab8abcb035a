-- Adding a column.

ALTER TABLE customers ADD COLUMN phone VARCHAR(20);
