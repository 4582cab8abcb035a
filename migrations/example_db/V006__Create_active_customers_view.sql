-- Creating a view.

CREATE VIEW active_customers AS
SELECT id, name, email, phone
FROM customers
WHERE created_at > '2024-01-01';
