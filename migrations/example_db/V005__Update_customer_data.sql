-- A simple update of data.

UPDATE customers
SET phone = 'N/A'
WHERE phone IS NULL;
