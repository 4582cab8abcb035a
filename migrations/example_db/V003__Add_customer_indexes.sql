-- Creating indexes. A large table that must stay writable takes CREATE INDEX CONCURRENTLY, in a file that runs without a
-- transaction.

CREATE INDEX idx_customers_email ON customers (email);
CREATE INDEX idx_customers_phone ON customers (phone);
