-- Adding a constraint.

ALTER TABLE customers
ADD CONSTRAINT chk_customers_email
CHECK (email LIKE '%@%');
