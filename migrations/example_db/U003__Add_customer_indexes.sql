DROP INDEX idx_customers_phone;
DROP INDEX idx_customers_email;
