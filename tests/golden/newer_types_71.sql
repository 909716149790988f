-- tds: 7.1
-- Goal: a client of an older protocol gets json and vector as text that it knows.
SELECT CAST('{"a": "é"}' AS json) AS j, CAST('[1, 2]' AS vector(2)) AS v, CAST(NULL AS json) AS n, CAST(NULL AS vector(3)) AS m;
GO
DECLARE @j json = '[1]', @v vector(1) = '[2]';
SELECT @j, @v;
GO
