-- 0005: nothing.
SELECT 1;
