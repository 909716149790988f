-- Examples of reference pages: bits of binary strings, names of FORMAT's cultures, DATETRUNC, DATE_BUCKET.
SELECT GET_BIT(0xabcdef, 2) AS a, GET_BIT(0xabcdef, 4) AS b, BIT_COUNT(0xabcdef) AS c, BIT_COUNT(17) AS d
SELECT SET_BIT(0x00, 2) AS a, SET_BIT(0xabcdef, 0, 0) AS b, SET_BIT(0x0000, 15) AS c
SELECT LEFT_SHIFT(12345, 5) AS a, 0x0123 << 4 AS b, 0x0123 >> 4 AS c, LEFT_SHIFT(0x0123, 12) AS d,
       RIGHT_SHIFT(0x8001, -1) AS e, 0x0123 << 16 AS f, LEFT_SHIFT(0x0123, 9223372036854775807) AS g, 0x0123 << 0 AS h
GO
SELECT SET_BIT(0x00, 8)
SELECT GET_BIT(5, -1)
SELECT SET_BIT(5, 1, 2)
SELECT BIT_COUNT(CAST(0x01 AS varbinary(max)))
GO
DECLARE @d date = '2024-08-09'
SELECT FORMAT(@d, 'd', 'en-US') AS us, FORMAT(@d, 'd', 'en-gb') AS gb, FORMAT(@d, 'd', 'de-de') AS de, FORMAT(@d, 'd', 'zh-cn') AS zh
SELECT FORMAT(@d, 'D', 'en-US') AS us, FORMAT(@d, 'D', 'en-gb') AS gb, FORMAT(@d, 'D', 'de-de') AS de, FORMAT(@d, 'D', 'zh-cn') AS zh
SELECT FORMAT(@d, 'D', 'fr-FR') AS fr, FORMAT(@d, 'D', 'es-ES') AS es, FORMAT(@d, 'D', 'it-IT') AS it, FORMAT(@d, 'D', 'pt-BR') AS pt
SELECT FORMAT(@d, 'ddd MMM', 'fr-FR') AS fr, FORMAT(@d, 'ddd MMM', 'de-DE') AS de, FORMAT(@d, 'dddd MMMM', 'ja-JP') AS ja
SELECT FORMAT(CAST('2024-08-11 14:05' AS datetime2), 'tt h:mm', 'zh-CN') AS zh, FORMAT(CAST('2024-08-11 14:05' AS datetime2), 't h:mm', 'ja-JP') AS ja,
       FORMAT(CAST('2024-08-11 14:05' AS datetime2), 'dddd h:mm t', 'en-US') AS us
GO
SELECT DATETRUNC(microsecond, CAST('2021-12-12 12:12:12.12345' AS datetime2(3)))
SELECT DATETRUNC(year, CAST('12:12:12' AS time))
SELECT DATETRUNC(millisecond, CAST('2021-12-12 12:12' AS smalldatetime))
SELECT DATETRUNC(microsecond, CAST('2021-12-12 12:12:12.1234567' AS datetime2(6))) AS a, DATETRUNC(millisecond, CAST('2021-12-12 12:12:12.123' AS datetime)) AS b
SELECT DATE_BUCKET(day, -1, CAST('2020-04-30' AS datetime2))
GO
SELECT value FROM GENERATE_SERIES(1, 5, 0)
