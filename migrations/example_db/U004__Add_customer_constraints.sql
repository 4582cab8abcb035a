ALTER TABLE customers DROP CONSTRAINT chk_customers_email;
