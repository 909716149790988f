-- Goal: the REGEXP functions answer as their pages say: examples, NULLs, types, refusals.
CREATE TABLE employees (id int NOT NULL PRIMARY KEY, first_name varchar(20) NULL,
    email varchar(320) CHECK (REGEXP_LIKE (email, '^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$')),
    phone nvarchar(20) CHECK (REGEXP_LIKE (phone, '^(\d{3})-(\d{3})-(\d{4})$')));
INSERT employees VALUES (1, 'Amy', 'amy@contoso.com', N'123-456-7890'), (2, 'ANDY', 'a.b@x.org', NULL), (3, 'Bob', NULL, N'555-111-2222'),
    (4, NULL, NULL, NULL);
GO
INSERT employees (id, email) VALUES (5, 'no address');
GO
INSERT employees (id, phone) VALUES (5, N'12-345');
GO
SELECT definition FROM sys.check_constraints ORDER BY definition;
GO
-- REGEXP_LIKE is a condition
SELECT id FROM employees WHERE REGEXP_LIKE(first_name, '^A.*Y$') ORDER BY id;
SELECT id FROM employees WHERE REGEXP_LIKE(first_name, '^A.*Y$', 'i') ORDER BY id;
SELECT id FROM employees WHERE NOT REGEXP_LIKE(first_name, '^A.*Y$', 'i') ORDER BY id;
SELECT id, CASE WHEN REGEXP_LIKE(first_name, 'o') THEN 'yes' WHEN NOT REGEXP_LIKE(first_name, 'o') THEN 'no' ELSE 'unknown' END FROM employees ORDER BY id;
SELECT IIF(REGEXP_LIKE('2020-02-14', '2020-02-\d\d'), 1, 0), IIF(REGEXP_LIKE('QUEUE', '[AEIOU]{3,}'), 1, 0), IIF(REGEXP_LIKE('a', NULL), 1, 0);
IF REGEXP_LIKE(N'b', '^[ab]$') AND NOT REGEXP_LIKE('c', '^[ab]$') PRINT 'both';
DECLARE @p varchar(20) = '^B', @f varchar(5) = 'i';
SELECT id FROM employees WHERE REGEXP_LIKE(first_name, @p, @f);
DELETE FROM employees WHERE REGEXP_LIKE(first_name, 'zz') OR id = 4;
UPDATE employees SET first_name = REGEXP_REPLACE(first_name, '[ae]', 'X', 1, 0, 'i') WHERE REGEXP_LIKE(first_name, '^A');
SELECT id, first_name FROM employees ORDER BY id;
GO
SELECT REGEXP_LIKE('a', 'a');
GO
SELECT 1 WHERE REGEXP_LIKE('a');
GO
-- REGEXP_COUNT
SELECT REGEXP_COUNT('banana', 'a'), REGEXP_COUNT('banana', 'A'), REGEXP_COUNT('banana', 'A', 1, 'i'), REGEXP_COUNT('banana', 'a', 3),
    REGEXP_COUNT('banana', 'a', 7), REGEXP_COUNT('abc', ''), REGEXP_COUNT('abc', 'x*'), REGEXP_COUNT('', ''), REGEXP_COUNT('abc', '', 2),
    REGEXP_COUNT('testing', 'ing$'), REGEXP_COUNT('rhythm', '[^aeiou]{3}', 1, 'i'), REGEXP_COUNT(NULL, 'a'), REGEXP_COUNT('a', NULL), REGEXP_COUNT('a', 'a', NULL);
GO
SELECT REGEXP_COUNT('a', 'a', 0);
GO
-- REGEXP_INSTR
SELECT REGEXP_INSTR('abc 123 def', '\d+'), REGEXP_INSTR('Banana A', 'a', 1, 3, 0, 'i'), REGEXP_INSTR('the tie', 't.*?e', 1, 1, 1), REGEXP_INSTR('abc', 'z'),
    REGEXP_INSTR('abcabc', 'c', 4), REGEXP_INSTR('abc', 'c', 10), REGEXP_INSTR('ab12cd', '([a-z]+)(\d+)', 1, 1, 0, 'c', 2), REGEXP_INSTR('ab12cd', '([a-z]+)(\d+)', 1, 1, 1, 'c', 1),
    REGEXP_INSTR('ab12cd', '([a-z]+)(\d+)', 1, 1, 0, 'c', 3), REGEXP_INSTR('abc', 'x*'), REGEXP_INSTR('abc', '$'), REGEXP_INSTR('abc', 'b', '2'), REGEXP_INSTR(N'ab', N'b', 1, 2);
GO
SELECT REGEXP_INSTR('abc', 'b', 1, 1, 2);
GO
SELECT REGEXP_INSTR('abc', 'b', 1, 0);
GO
SELECT REGEXP_INSTR('abc', 'b', 1, 1, 0, 'c', -1);
GO
-- REGEXP_SUBSTR
SELECT REGEXP_SUBSTR('I live at 12 Main 345', '\d+'), REGEXP_SUBSTR('a1b22c333', '\d+', 1, 3), REGEXP_SUBSTR('a1b22', '\d+', 3), REGEXP_SUBSTR('a', '\d'),
    REGEXP_SUBSTR('key=value', '(\w+)=(\w+)', 1, 1, 'c', 2), REGEXP_SUBSTR('ac', 'a(b)?c', 1, 1, 'c', 1), REGEXP_SUBSTR('ac', 'a', 1, 1, 'c', 7), '[' + REGEXP_SUBSTR('abc', 'x*') + ']',
    REGEXP_SUBSTR('abc', 'b', 9), REGEXP_SUBSTR('ABC', 'b', 1, 1, 'ci'), REGEXP_SUBSTR('ABC', 'b', 1, 1, 'ic'), REGEXP_SUBSTR('abc', 'b', 1, 1, '');
SELECT REGEXP_SUBSTR(email, '@(.+)$', 1, 1, 'i', 1) FROM employees ORDER BY id;
GO
-- REGEXP_REPLACE
SELECT REGEXP_REPLACE('123-456-7890', '(\d{3})-(\d{3})-(\d{4})', '(\1) \2-\3'), REGEXP_REPLACE('123-456-7890', '(\d{3})-(\d{3})-(\d{4})', '(\1) (\4)-xxxx'),
    REGEXP_REPLACE('a cat, a dog', 'cat|dog', 'pet', 1, 1, 'i'), REGEXP_REPLACE('a cat, a dog', 'cat|dog', 'pet', 1, 2), REGEXP_REPLACE('a cat, a dog', 'cat|dog', 'pet', 1, 3),
    REGEXP_REPLACE('555-0199', '\d{4}$', '****'), REGEXP_REPLACE('a1b2', '\d'), REGEXP_REPLACE('a1b2', '\d', '<&>'), REGEXP_REPLACE('a1', '\d', '\&\\\'), REGEXP_REPLACE('aaa', 'a', 'b', 2),
    REGEXP_REPLACE('aaa', 'a', 'b', 9), REGEXP_REPLACE('abc', '', '-'), REGEXP_REPLACE('abc', 'x*', '-'), REGEXP_REPLACE('abc', '^', '-'), REGEXP_REPLACE('', 'x*', '-'), REGEXP_REPLACE('a', 'a', NULL),
    DATALENGTH(REGEXP_REPLACE(REPLICATE('a', 8000), 'a', 'bb')), DATALENGTH(REGEXP_REPLACE(REPLICATE(CAST('a' AS varchar(max)), 9000), 'a', 'bb'));
GO
SELECT REGEXP_REPLACE('abc', 'b', 'x', 1, -1);
GO
-- tables
SELECT * FROM REGEXP_MATCHES ('Learning #AzureSQL #AzureSQLDB', '#([A-Za-z0-9_]+)');
SELECT * FROM REGEXP_MATCHES ('ABC', '^(A)(..)$');
SELECT * FROM REGEXP_MATCHES ('a1 b', '([a-z])(\d)?');
SELECT * FROM REGEXP_MATCHES ('say "x" 12', '".*"|\d+', 'c');
SELECT * FROM REGEXP_MATCHES ('abc', '');
SELECT COUNT(*) FROM REGEXP_MATCHES ('abc', 'z');
SELECT COUNT(*) FROM REGEXP_MATCHES (NULL, 'z');
SELECT * FROM REGEXP_SPLIT_TO_TABLE ('the quick brown fox jumps over the lazy dog', '\s+');
SELECT '[' + value + ']', ordinal FROM REGEXP_SPLIT_TO_TABLE (',a,,b,', ',') ORDER BY ordinal;
SELECT value, ordinal FROM REGEXP_SPLIT_TO_TABLE (N'abc', N'x*');
SELECT value, ordinal FROM REGEXP_SPLIT_TO_TABLE ('abc', 'z');
SELECT '[' + value + ']' FROM REGEXP_SPLIT_TO_TABLE ('', 'z');
SELECT COUNT(*) FROM REGEXP_SPLIT_TO_TABLE ('abc', NULL);
SELECT e.id, p.value FROM employees e CROSS APPLY REGEXP_SPLIT_TO_TABLE(e.email, '[@.]') p WHERE e.email IS NOT NULL ORDER BY e.id, p.ordinal;
GO
SELECT * FROM REGEXP_MATCHES ('a');
GO
SELECT * FROM REGEXP_SPLIT_TO_TABLE ('a', 'b', 'c', 'd');
GO
-- flags
SELECT REGEXP_COUNT('a
a', '^a'), REGEXP_COUNT('a
a', '^a', 1, 'm'), REGEXP_COUNT('a
b', 'a.b'), REGEXP_COUNT('a
b', 'a.b', 1, 's'), REGEXP_COUNT('A
B', 'a.b$', 1, 'ims'), REGEXP_COUNT('A', '(?i)a'), REGEXP_COUNT('A', '(?-i)a', 1, 'i'), REGEXP_COUNT(N'É', N'é', 1, 'i'), REGEXP_COUNT('ABC' COLLATE Latin1_General_CI_AI, 'a');
GO
SELECT REGEXP_COUNT('a', 'a', 1, 'ix');
GO
SELECT REGEXP_COUNT('a', 'a', 1, 'iiiiiiiiiiiiiiiiiiiiiiiiiiiiiii');
GO
-- what RE2 has not, and what is no pattern
SELECT REGEXP_COUNT('a', 'a(?=b)');
GO
SELECT REGEXP_COUNT('a', '(a)\1');
GO
SELECT REGEXP_COUNT('a', 'a{1001}');
GO
SELECT REGEXP_COUNT('a', '*');
GO
SELECT REGEXP_COUNT('a', '(');
GO
SELECT REGEXP_COUNT('a', '[');
GO
SELECT REGEXP_COUNT('a', ')');
GO
SELECT REGEXP_COUNT('a', 'a\');
GO
SELECT REGEXP_COUNT(NULL, '('), COUNT(*) FROM employees WHERE id > 100 AND REGEXP_LIKE(first_name, '(');
GO
-- types
SELECT REGEXP_COUNT(1, 'a');
GO
SELECT REGEXP_COUNT('a', 1);
GO
SELECT REGEXP_COUNT('a', CAST('a' AS varchar(max)));
GO
SELECT REGEXP_COUNT('a', 'a', 1, N'i');
GO
SELECT REGEXP_COUNT('a', 'a', 1.5);
GO
SELECT REGEXP_COUNT('a', 'a', CAST(3000000000 AS bigint));
GO
SELECT REGEXP_COUNT('a');
GO
SELECT name, system_type_name, is_nullable, collation_name FROM sys.dm_exec_describe_first_result_set(N'
SELECT REGEXP_COUNT(N''a'', ''a'') a, REGEXP_INSTR(CAST(''a'' AS varchar(max)), ''a'') b, REGEXP_SUBSTR(''abc123'', ''\d'') c, REGEXP_SUBSTR(CAST(''a'' AS nchar(5)), ''a'') d,
 REGEXP_REPLACE(''a'', ''b'', ''c'') e, REGEXP_REPLACE(N''a'', ''b'', ''c'') f, REGEXP_REPLACE(''a'', ''b'', CAST(N''c'' AS nvarchar(max))) g, REGEXP_SUBSTR(''a'' COLLATE Latin1_General_BIN2, ''a'') h', NULL, 0);
SELECT name, system_type_name, is_nullable, collation_name FROM sys.dm_exec_describe_first_result_set(N'SELECT * FROM REGEXP_MATCHES(N''abc'', ''a'')', NULL, 0);
SELECT name, system_type_name, is_nullable, collation_name FROM sys.dm_exec_describe_first_result_set(N'SELECT * FROM REGEXP_SPLIT_TO_TABLE(''a,b'', '','')', NULL, 0);
GO
-- characters outside of the first plane: what goes in counts characters, what comes out units
DECLARE @e nvarchar(10) = N'a' + NCHAR(0xD83D) + NCHAR(0xDE00) + N'b';
SELECT REGEXP_COUNT(@e, N'.'), REGEXP_INSTR(@e, N'b'), REGEXP_INSTR(@e, N'b', 3), REGEXP_INSTR(@e, N'b', 4), REGEXP_SUBSTR(@e, N'.', 3), REGEXP_REPLACE(@e, N'.', N'x'), REGEXP_COUNT(@e, '\x{1F600}'), REGEXP_COUNT(@e, '\p{So}');
SELECT match_id, start_position, end_position FROM REGEXP_MATCHES(@e, N'.');
GO
-- no pattern makes it hang
SELECT REGEXP_COUNT(REPLICATE(CAST('a' AS varchar(max)), 20000) + 'X', '(a+)+$'), IIF(REGEXP_LIKE(REPLICATE('a', 8000) + 'b', '(a|aa)+$'), 1, 0);
GO
DROP TABLE employees;
GO
