-- Cursors by procedure, as drivers open them: sp_cursoropen and its sisters.
CREATE TABLE t (i int PRIMARY KEY, v varchar(10), n int)
INSERT t VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30), (4, 'd', 40), (5, 'e', 50)
CREATE TABLE h (v varchar(10))
GO
-- KEYSET is served as STATIC; NEXT, PREV (moved to the start: 2), LAST, ABSOLUTE, RELATIVE, INFO
DECLARE @c int, @scroll int = 1, @cc int = 4, @rows int, @r int, @at int, @all int
EXEC @r = sp_cursoropen @c OUTPUT, N'SELECT i, v FROM t ORDER BY i;', @scroll OUTPUT, @cc OUTPUT, @rows OUTPUT
SELECT @r AS r, @scroll AS scroll, @cc AS cc, @rows AS rows
EXEC sp_cursorfetch @c, 2, 0, 2
EXEC sp_cursorfetch @c, 2, 0, 2
EXEC @r = sp_cursorfetch @c, 4, 0, 3
SELECT @r AS moved
EXEC sp_cursorfetch @c, 8, 0, 2
EXEC sp_cursorfetch @c, 16, -2, 1
EXEC sp_cursorfetch @c, 32, -1, 2147483647
EXEC sp_cursorfetch @c, 512, 0, 4
EXEC sp_cursorfetch @c, 0x80, 0, 9
EXEC sp_cursorfetch @c, 16, 99, 1
EXEC sp_cursorfetch @c, 256, @at OUTPUT, @all OUTPUT
SELECT @at AS at, @all AS [all]
EXEC sp_cursorfetch @c, 1, 0, 0
EXEC sp_cursorfetch @c, 256, @at OUTPUT, @all OUTPUT
SELECT @at AS at, @all AS [all]
EXEC sp_cursoroption @c, 4, @scroll OUTPUT
EXEC sp_cursoroption @c, 5, @cc OUTPUT
EXEC sp_cursoroption @c, 6, @rows OUTPUT
SELECT @scroll AS scroll, @cc AS cc, @rows AS rows
EXEC @r = sp_cursorclose @c
SELECT @r AS closed
EXEC sp_cursorclose @c
GO
-- changes of rows in the buffer
DECLARE @c int, @r int
EXEC sp_cursoropen @c OUTPUT, N'SELECT i, v AS name, n FROM t ORDER BY i', 1, 2
EXEC @r = sp_cursor @c, 1, 1, N'', @name = 'no'
SELECT @r AS no_buffer
EXEC sp_cursorfetch @c, 2, 0, 3
EXEC @r = sp_cursor @c, 1, 2, N'', @name = 'changed', @n = 21
SELECT @r AS changed
EXEC sp_cursor @c, 1, 3, N't', N'SET v = v + ''!''', N'n = n + 1'
EXEC sp_cursor @c, 1, 1, N't', N'UPDATE t SET n = 0'
EXEC @r = sp_cursor @c, 1, 4, N'', @n = 1
SELECT @r AS beyond
EXEC sp_cursor @c, 65, 5, N'dbo.t', @n = 55
EXEC sp_cursor @c, 4, 0, N'', @i = 6, @name = 'new'
EXEC sp_cursor @c, 4, 0, N't', N'(7, ''more'', 70)'
EXEC sp_cursor @c, 4, 0, N't', N'8', N'''most''', N'80'
EXEC sp_cursor @c, 4, 0, N't', @i = 8
EXEC sp_cursor @c, 2, 1, N''
EXEC sp_cursor @c, 2, 1, N''
EXEC sp_cursor @c, 8, 2, N''
EXEC sp_cursoroption @c, 2, N'my cursor'
EXEC sp_cursor @c, 0x20, 3, N''
UPDATE t SET v = 'current' WHERE CURRENT OF [my cursor]
SELECT * FROM t ORDER BY i
EXEC sp_cursor @c, 2, 0, N't'
EXEC sp_cursor @c, 0x10, 1, N't'
EXEC sp_cursor @c, 3, 1, N't'
EXEC sp_cursor @c, 0x44, 1, N't', @i = 9
EXEC sp_cursor @c, 1, 2, N't'
EXEC sp_cursorclose -1
FETCH [my cursor]
SELECT * FROM t ORDER BY i
GO
-- parameters, rows right away, and an end at the last row
DECLARE @c int, @r int, @scroll int = 0x7010, @cc int = 2, @rows int = 2
EXEC @r = sp_cursoropen @c OUTPUT, N'SELECT i FROM t WHERE i > @least ORDER BY i', @scroll OUTPUT, @cc OUTPUT, @rows OUTPUT, N'@least int', 5
SELECT @r AS r, @scroll AS scroll, @cc AS cc, @rows AS rows
EXEC @r = sp_cursorfetch @c, 2, 0, 2
SELECT @r AS closed
EXEC sp_cursorfetch @c, 2, 0, 2
GO
-- prepared ones
DECLARE @p int, @c int, @d int, @scroll int = 8, @cc int = 2, @rows int
EXEC sp_cursorprepare @p OUTPUT, N'@least int', N'SELECT i FROM t WHERE i >= @least ORDER BY i', 1, @scroll OUTPUT, @cc OUTPUT
EXEC sp_cursorexecute @p, @c OUTPUT, @scroll OUTPUT, @cc OUTPUT, @rows OUTPUT, 7
SELECT @scroll AS scroll, @cc AS cc, @rows AS rows
EXEC sp_cursorfetch @c, 8, 0, 1
EXEC sp_cursor @c, 2, 1, N''
EXEC sp_cursorunprepare @p
EXEC sp_cursorunprepare @p
EXEC sp_cursorprepexec @p OUTPUT, @d OUTPUT, NULL, N'WITH x AS (SELECT i FROM t) SELECT i FROM x', 4, 1
EXEC sp_cursorfetch @d, 2, 0, 1
EXEC sp_cursorfetch @d, 8, 0, 1
EXEC sp_cursorfetch @c
EXEC sp_cursorclose -1
EXEC sp_cursoropen @c OUTPUT, N'SELECT i FROM t FOR UPDATE OF n -- the end'
EXEC sp_cursorfetch @c, 2, 0, 1
EXEC sp_cursor @c, 1, 0, N't', @n = 22
EXEC sp_cursorclose @c
GO
-- what does not open, and wrong values
DECLARE @c int = 3, @r int
EXEC @r = sp_cursoropen @c OUTPUT, N'SELECT nosuch FROM t'
SELECT @c AS c, @r AS r
EXEC sp_cursoropen @c OUTPUT, N'SELECT FROM'
GO
DECLARE @c int
EXEC sp_cursoropen @c OUTPUT, N'SELECT 1 SELECT 2'
EXEC sp_cursoropen @c OUTPUT, N'DELETE t'
EXEC sp_cursoropen @c OUTPUT, N''
EXEC sp_cursoropen @c OUTPUT, NULL
EXEC sp_cursoropen @c OUTPUT
EXEC sp_cursoropen @c OUTPUT, N'SELECT 1', N'x'
EXEC sp_cursoropen @c OUTPUT, N'SELECT 1 AS a, ''x'' AS b', 8, 1
EXEC sp_cursorfetch @c, 3
EXEC sp_cursorfetch @c, 0x40
EXEC sp_cursorfetch @c, 2, 0, -1
EXEC sp_cursorfetch @c, 2, 0, 0
EXEC sp_cursorfetch @c, 2, 0, 99999999999
EXEC sp_cursorfetch @c, 32, -2147483648, 2147483647
EXEC sp_cursorfetch @c, 16, -2147483648, 2147483647
EXEC sp_cursorfetch -1
EXEC sp_cursorfetch NULL
EXEC sp_cursorfetch 'x'
EXEC sp_cursor @c, 1, 1, N''
EXEC sp_cursoroption @c, 1, 0
EXEC sp_cursoroption @c, 7, 0
EXEC sp_cursoroption @c, 2, N''
EXEC sp_cursorexecute 999, @c OUTPUT
EXEC sp_cursorprepexec 1, 2
EXEC sp_cursorclose
GO
-- closed and opened again under its name, and closed by its own change
DECLARE @c int
EXEC sp_cursoropen @c OUTPUT, N'SELECT i FROM t ORDER BY i', 1, 2
EXEC sp_cursoroption @c, 2, N'again'
EXEC sp_cursorfetch @c, 8, 0, 2
CLOSE again
EXEC sp_cursorfetch @c, 2, 0, 2
EXEC sp_cursor @c, 2, 1, N't'
OPEN again
EXEC sp_cursorfetch @c, 128
EXEC sp_cursorfetch @c, 2, 0, 2
EXEC sp_cursor @c, 33, 0, N't', N'UPDATE t SET n = 1 EXEC sp_cursorclose -1 UPDATE t SET n = 2'
EXEC sp_cursorfetch @c
EXEC sp_cursoropen @c OUTPUT, N'SELECT i FROM t ORDER BY i', 1, 2
EXEC sp_cursorfetch @c, 2, 0, 2
BEGIN TRAN
EXEC sp_cursor @c, 2, 0, N't'
ROLLBACK
EXEC sp_cursorfetch @c, 2, 0, 1
SELECT COUNT(*) FROM t
GO
DEALLOCATE again
GO
GO
-- For everybody, with the rights that the statements need.
CREATE TABLE mine (a int PRIMARY KEY, b int); INSERT mine VALUES (1, 1), (2, 2); CREATE USER reader WITHOUT LOGIN; GRANT SELECT ON mine TO reader
GO
EXECUTE AS USER = 'reader'
DECLARE @c int, @s int = 1, @cc int = 4
EXEC sp_cursoropen @c OUTPUT, N'SELECT a, b FROM mine', @s OUTPUT, @cc OUTPUT
EXEC sp_cursorfetch @c, 2, 0, 1
EXEC sp_cursor @c, 33, 1, 'mine', 'SET b = 9'
EXEC sp_cursorclose @c
REVERT
