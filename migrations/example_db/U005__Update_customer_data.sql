-- Which of them had no phone at all is known by the mark.

UPDATE customers
SET phone = NULL
WHERE phone = 'N/A';
