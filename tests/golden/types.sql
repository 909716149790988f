-- One value of every type, as the client sees type and value.
SELECT CAST(1 AS bit) AS c_bit, CAST(255 AS tinyint) AS c_tinyint, CAST(-32768 AS smallint) AS c_smallint,
    CAST(-2147483648 AS int) AS c_int, CAST(-9223372036854775808 AS bigint) AS c_bigint
GO
SELECT CAST(1.5 AS real) AS c_real, CAST(-2.5e300 AS float) AS c_float,
    CAST(-123456789.123456789 AS decimal(18, 9)) AS c_decimal,
    CAST('99999999999999999999999999999999999999' AS numeric(38, 0)) AS c_numeric,
    CAST(-922337203685477.5808 AS money) AS c_money, CAST(214748.3647 AS smallmoney) AS c_smallmoney
GO
SELECT CAST('2026-02-28' AS date) AS c_date, CAST('23:59:59.1234567' AS time) AS c_time,
    CAST('12:30:00.25' AS time(2)) AS c_time2, CAST('2026-02-28 23:59:59.997' AS datetime) AS c_datetime,
    CAST('2026-02-28 23:59' AS smalldatetime) AS c_smalldatetime,
    CAST('0001-01-01 00:00:00.0000001' AS datetime2) AS c_datetime2,
    CAST('2026-02-28 23:59:59.5 -08:30' AS datetimeoffset(1)) AS c_datetimeoffset
GO
SELECT CAST('abc' AS char(5)) AS c_char, CAST('abc' AS varchar(5)) AS c_varchar,
    CAST('abc' AS varchar(max)) AS c_varcharmax, CAST(N'äöü' AS nchar(4)) AS c_nchar,
    CAST(N'äöü€𝄞' AS nvarchar(10)) AS c_nvarchar, CAST(N'äöü' AS nvarchar(max)) AS c_nvarcharmax
GO
SELECT CAST(0x0102 AS binary(4)) AS c_binary, CAST(0x0102 AS varbinary(4)) AS c_varbinary,
    CAST(0x0102 AS varbinary(max)) AS c_varbinarymax,
    CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) AS c_guid,
    CAST(42 AS sql_variant) AS c_variant, CAST('<a/>' AS xml) AS c_xml
GO
