create table k(a int not null, b int)
insert k values (1, 1), (1, 2)
GO
alter table k add constraint pk_k primary key (a)
GO
alter table k add constraint pk_k primary key (a, b)
GO
delete k where b = 2
alter table k add constraint pk_k primary key (a)
GO
-- a key keeps its columns as they are; the same again is no change
alter table k alter column a int null
GO
alter table k alter column a int not null
GO
create table t(id int not null primary key, v varchar(10) null, w int null, x int null, y as w + 1, z as x * 2 persisted)
create index iv on t(v)
create index ix on t(x) where x > 3
create unique index iw on t(v) where w > 3
insert t(id, v, w, x) values (1, 'a', 4, 5), (2, 'b', 1, 6)
GO
alter table t alter column v varchar(20) not null
GO
alter table t alter column v varchar(5) not null
GO
alter table t alter column v nvarchar(20) not null
GO
alter table t alter column w int not null
GO
alter table t drop column w
GO
drop index ix on t
alter table t alter column x bigint null
GO
alter table t alter column x int not null
GO
-- what a filter names stays
create table f(a int, b int, c int)
create unique index fi on f(a) where b > 3
GO
alter table f drop column b
GO
alter table f alter column b bigint
GO
drop index fi on f
alter table f drop column b
GO
select name, is_nullable, max_length from sys.columns where object_id = object_id('t') order by column_id
GO
-- constraints over columns that are computed
create table r(a int primary key)
create table c1(a int, b as a + 1, foreign key (b) references r(a))
GO
create table c1(a int, b as a + 1 check (b > 0))
GO
create table c1(a int, b as a + 1, constraint ck check (a > 0 and b > 0))
GO
create table c1(a int, b as a + 1 persisted, foreign key (b) references r(a) on delete set null)
GO
create table c1(a int, b as a + 1 persisted, foreign key (b) references r(a) on update cascade)
GO
create table c1(a int, b as a + 1 persisted, foreign key (b) references r(a) on delete cascade, check (b < 10))
insert r values (2), (20)
insert c1 values (1)
GO
insert c1 values (2)
GO
insert c1 values (19)
GO
delete r where a = 2
select * from c1
GO
alter table c1 add d as a + 2
alter table c1 add check (d > 0)
GO
alter table c1 add e int, f as e + 1 references r(a)
GO
-- what a schema-bound view names stays as it is
create table three(a int, b int, c int, d int)
GO
create view bound with schemabinding as select a, b from dbo.three where c > 3
GO
alter table three drop column c
GO
alter table three alter column c bigint
GO
alter table three alter column c int not null
GO
alter table three alter column d bigint
alter table three drop column d
drop view bound
alter table three drop column c
GO
dbcc checkdb with no_infomsgs
GO
-- of columns that come together, each says for itself what the rows that are there get
create table v(a int)
insert v values (1)
alter table v add b int null default 2, c int null default 3 with values, d int not null default 4
alter table v add e int null default 5, f as a + 1 persisted
select * from v
GO
-- a trigger reads inserted as its table is now
create table g(a int, b int, c decimal(5, 1))
create table h(a int, b varchar(9))
GO
create trigger tg on g after insert as insert h select b, c from inserted
GO
insert g values (1, 2, 3.5)
alter table g drop column a
GO
insert g values (4, 5.5)
GO
alter table g drop column b
GO
insert g values (6.5)
GO
alter table g add b int
GO
insert g values (7.5, 8)
select * from h
-- What a schema-bound view names keeps its name.
CREATE TABLE bound_rows (id int, a int, b int);
GO
CREATE VIEW bound_view WITH SCHEMABINDING AS SELECT id, a FROM dbo.bound_rows;
GO
EXEC sp_rename 'bound_rows.a', 'aa', 'COLUMN';
GO
EXEC sp_rename 'bound_rows', 'other_rows';
GO
EXEC sp_rename 'bound_rows.b', 'bb', 'COLUMN';
EXEC sp_rename 'bound_view', 'other_view';
SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('bound_rows') ORDER BY column_id;
GO
