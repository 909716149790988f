/* sysview_text.c - views of SQL Server 2000 that scripts still use, in T-SQL over the new ones; see
 * sysview_int.h. */
#include "sysview_int.h"
#include "base/banned.h"

const struct qri_sysview qri_sysviews_text[] = {
    {"sys", "sysobjects",
     "name sysname, id int, xtype char(2), uid smallint null, info smallint null, status int null, "
     "base_schema_ver int null, replinfo int null, parent_obj int, crdate datetime, "
     "ftcatid smallint null, schema_ver int null, stats_schema_ver int null, type char(2) null, "
     "userstat smallint null, sysstat smallint null, indexdel smallint null, refdate datetime, "
     "version int null, deltrig int null, instrig int null, updtrig int null, seltrig int null, "
     "category int null, cache smallint null",
     NULL,
     "SELECT o.name, o.object_id AS id, CAST(CASE o.type WHEN 'UQ' THEN 'UQ' ELSE o.type END AS "
     "char(2)) AS xtype, CAST(o.schema_id AS smallint) AS uid, CAST(0 AS smallint) AS info, 0 AS "
     "status, 0 AS base_schema_ver, 0 AS replinfo, o.parent_object_id AS parent_obj, "
     "o.create_date AS crdate, CAST(0 AS smallint) AS ftcatid, 0 AS schema_ver, 0 AS "
     "stats_schema_ver, CAST(CASE o.type WHEN 'PK' THEN 'K' WHEN 'UQ' THEN 'K' ELSE o.type END AS "
     "char(2)) AS type, CAST(CASE o.type WHEN 'U' THEN 1 ELSE 0 END AS smallint) AS userstat, "
     "CAST(CASE o.type WHEN 'S' THEN 1 WHEN 'V' THEN 2 WHEN 'U' THEN 3 WHEN 'P' THEN 4 WHEN 'D' "
     "THEN 6 WHEN 'R' THEN 7 WHEN 'TR' THEN 8 WHEN 'F' THEN 11 WHEN 'C' THEN 5 ELSE 0 END AS "
     "smallint) AS sysstat, CAST(0 AS smallint) AS indexdel, o.create_date AS refdate, 0 AS "
     "version, 0 AS deltrig, 0 AS instrig, 0 AS updtrig, 0 AS seltrig, CASE o.is_ms_shipped WHEN 1 "
     "THEN 2 ELSE 0 END AS category, CAST(0 AS smallint) AS cache FROM sys.all_objects o",
     false},
    {"sys", "syscolumns",
     "name sysname null, id int, xtype tinyint, typestat tinyint null, xusertype smallint null, "
     "length smallint, xprec tinyint, xscale tinyint, colid smallint null, xoffset smallint null, "
     "bitpos tinyint null, reserved tinyint null, colstat smallint null, cdefault int, domain int, "
     "number smallint null, colorder smallint null, autoval varbinary(8000) null, "
     "offset smallint null, collationid int null, language int null, status tinyint null, "
     "type tinyint, usertype smallint null, printfmt varchar(255) null, prec smallint null, "
     "scale int null, iscomputed int null, isoutparam int null, isnullable int null, "
     "collation sysname null",
     NULL,
     "SELECT c.name, c.object_id AS id, c.system_type_id AS xtype, CAST(1 AS tinyint) AS typestat, "
     "CAST(c.user_type_id AS smallint) AS xusertype, c.max_length AS length, c.precision AS xprec, "
     "c.scale AS xscale, CAST(c.column_id AS smallint) AS colid, CAST(0 AS smallint) AS xoffset, "
     "CAST(0 AS tinyint) AS bitpos, CAST(0 AS tinyint) AS reserved, CAST(CASE WHEN c.is_identity = "
     "1 THEN 1 ELSE 0 END + CASE WHEN c.is_computed = 1 THEN 4 ELSE 0 END AS smallint) AS colstat, "
     "c.default_object_id AS cdefault, 0 AS domain, CAST(0 AS smallint) AS number, "
     "CAST(c.column_id AS smallint) AS colorder, CAST(NULL AS varbinary(8000)) AS autoval, CAST(0 "
     "AS smallint) AS offset, 0 AS collationid, 0 AS language, CAST(CASE WHEN c.is_nullable = 1 "
     "THEN 8 ELSE 0 END + CASE WHEN c.is_identity = 1 THEN 128 ELSE 0 END AS tinyint) AS status, "
     "c.system_type_id AS type, CAST(c.user_type_id AS smallint) AS usertype, CAST(NULL AS "
     "varchar(255)) AS printfmt, CAST(CASE WHEN c.system_type_id IN (231, 239) AND c.max_length > "
     "0 THEN c.max_length / 2 WHEN c.precision = 0 THEN c.max_length ELSE c.precision END AS "
     "smallint) AS prec, CASE WHEN c.scale = 0 AND c.precision = 0 THEN NULL ELSE CAST(c.scale AS "
     "int) END AS scale, CAST(c.is_computed AS int) AS iscomputed, 0 AS isoutparam, "
     "CAST(c.is_nullable AS int) AS isnullable, c.collation_name AS collation FROM sys.all_columns "
     "c UNION ALL SELECT p.name, p.object_id, p.system_type_id, CAST(1 AS tinyint), "
     "CAST(p.user_type_id AS smallint), p.max_length, p.precision, p.scale, CAST(p.parameter_id AS "
     "smallint), CAST(0 AS smallint), CAST(0 AS tinyint), CAST(0 AS tinyint), CAST(0 AS smallint), "
     "0, 0, CAST(1 AS smallint), CAST(p.parameter_id AS smallint), CAST(NULL AS varbinary(8000)), "
     "CAST(0 AS smallint), 0, 0, CAST(8 AS tinyint), p.system_type_id, CAST(p.user_type_id AS "
     "smallint), CAST(NULL AS varchar(255)), CAST(p.precision AS smallint), CAST(p.scale AS int), "
     "0, CAST(p.is_output AS int), 1, CAST(NULL AS sysname) FROM sys.all_parameters p",
     false},
    {"sys", "sysindexes",
     "id int, status int null, first binary(6) null, indid smallint null, root binary(6) null, "
     "minlen smallint null, keycnt smallint null, groupid smallint null, dpages int null, "
     "reserved int null, used int null, rowcnt bigint null, rowmodctr int null, "
     "reserved3 tinyint null, reserved4 tinyint null, xmaxlen smallint null, "
     "maxirow smallint null, OrigFillFactor tinyint null, StatVersion tinyint null, "
     "reserved2 int null, FirstIAM binary(6) null, impid smallint null, lockflags smallint null, "
     "pgmodctr int null, keys varbinary(816) null, name sysname null, statblob image null, "
     "maxlen int null, rows int null",
     NULL,
     "SELECT i.object_id AS id, CASE WHEN i.is_unique = 1 THEN 2 ELSE 0 END + CASE WHEN i.index_id "
     "= 1 THEN 16 ELSE 0 END + CASE WHEN i.is_primary_key = 1 THEN 2048 ELSE 0 END + CASE WHEN "
     "i.is_unique_constraint = 1 THEN 4096 ELSE 0 END AS status, CAST(NULL AS binary(6)) AS first, "
     "CAST(i.index_id AS smallint) AS indid, CAST(NULL AS binary(6)) AS root, CAST(0 AS smallint) "
     "AS minlen, CAST((SELECT COUNT(*) FROM sys.index_columns ic WHERE ic.object_id = i.object_id "
     "AND ic.index_id = i.index_id) AS smallint) AS keycnt, CAST(1 AS smallint) AS groupid, 0 AS "
     "dpages, 0 AS reserved, 0 AS used, p.rows AS rowcnt, 0 AS rowmodctr, CAST(0 AS tinyint) AS "
     "reserved3, CAST(0 AS tinyint) AS reserved4, CAST(0 AS smallint) AS xmaxlen, CAST(0 AS "
     "smallint) AS maxirow, i.fill_factor AS OrigFillFactor, CAST(0 AS tinyint) AS StatVersion, 0 "
     "AS reserved2, CAST(NULL AS binary(6)) AS FirstIAM, CAST(0 AS smallint) AS impid, CAST(0 AS "
     "smallint) AS lockflags, 0 AS pgmodctr, CAST(NULL AS varbinary(816)) AS keys, i.name, "
     "CAST(NULL AS image) AS statblob, 8000 AS maxlen, CAST(p.rows AS int) AS rows FROM "
     "sys.indexes i LEFT JOIN sys.partitions p ON p.object_id = i.object_id AND p.index_id = "
     "i.index_id",
     false},
    {"sys", "sysindexkeys", "id int, indid smallint null, colid smallint null, keyno smallint null",
     NULL,
     "SELECT object_id AS id, CAST(index_id AS smallint) AS indid, CAST(column_id AS smallint) AS "
     "colid, CAST(key_ordinal AS smallint) AS keyno FROM sys.index_columns",
     false},
    {"sys", "systypes",
     "name sysname, xtype tinyint, status tinyint null, xusertype smallint null, length smallint, "
     "xprec tinyint, xscale tinyint, tdefault int, domain int, uid smallint null, reserved "
     "smallint null, collationid int null, usertype smallint null, variable bit null, allownulls "
     "bit null, type tinyint, printfmt varchar(255) null, prec smallint null, scale tinyint null, "
     "collation sysname null",
     NULL,
     "SELECT name, system_type_id AS xtype, CAST(0 AS tinyint) AS status, CAST(user_type_id AS "
     "smallint) AS xusertype, max_length AS length, precision AS xprec, scale AS xscale, 0 AS "
     "tdefault, 0 AS domain, CAST(schema_id AS smallint) AS uid, CAST(0 AS smallint) AS reserved, "
     "0 AS collationid, CAST(user_type_id AS smallint) AS usertype, CAST(CASE WHEN system_type_id "
     "IN (165, 167, 231) THEN 1 ELSE 0 END AS bit) AS variable, is_nullable AS allownulls, "
     "system_type_id AS type, CAST(NULL AS varchar(255)) AS printfmt, CAST(precision AS smallint) "
     "AS prec, scale, collation_name AS collation FROM sys.types",
     false},
    {"sys", "syscomments",
     "id int, number smallint null, colid smallint, status smallint, ctext varbinary(8000) null, "
     "texttype smallint null, language smallint null, encrypted bit, compressed bit, text "
     "nvarchar(4000) null",
     NULL,
     "SELECT object_id AS id, CAST(1 AS smallint) AS number, CAST(1 AS smallint) AS colid, CAST(0 "
     "AS smallint) AS status, CAST(NULL AS varbinary(8000)) AS ctext, CAST(2 AS smallint) AS "
     "texttype, CAST(0 AS smallint) AS language, CAST(0 AS bit) AS encrypted, CAST(0 AS bit) AS "
     "compressed, CAST(definition AS nvarchar(4000)) AS text FROM sys.sql_modules UNION ALL SELECT "
     "object_id, CAST(0 AS smallint), CAST(1 AS smallint), CAST(0 AS smallint), CAST(NULL AS "
     "varbinary(8000)), CAST(2 AS smallint), CAST(0 AS smallint), CAST(0 AS bit), CAST(0 AS bit), "
     "CAST(definition AS nvarchar(4000)) FROM sys.check_constraints UNION ALL SELECT object_id, "
     "CAST(0 AS smallint), CAST(1 AS smallint), CAST(0 AS smallint), CAST(NULL AS "
     "varbinary(8000)), CAST(2 AS smallint), CAST(0 AS smallint), CAST(0 AS bit), CAST(0 AS bit), "
     "CAST(definition AS nvarchar(4000)) FROM sys.default_constraints",
     false},
    {"sys", "sysforeignkeys",
     "constid int, fkeyid int null, rkeyid int null, fkey smallint null, rkey smallint null, keyno "
     "smallint null",
     NULL,
     "SELECT constraint_object_id AS constid, parent_object_id AS fkeyid, referenced_object_id AS "
     "rkeyid, CAST(parent_column_id AS smallint) AS fkey, CAST(referenced_column_id AS smallint) "
     "AS rkey, CAST(constraint_column_id AS smallint) AS keyno FROM sys.foreign_key_columns",
     false},
    {"sys", "sysreferences",
     "constid int, fkeyid int null, rkeyid int null, rkeyindid smallint null, keycnt smallint null",
     NULL,
     "SELECT f.object_id AS constid, f.parent_object_id AS fkeyid, f.referenced_object_id AS "
     "rkeyid, CAST(f.key_index_id AS smallint) AS rkeyindid, CAST((SELECT COUNT(*) FROM "
     "sys.foreign_key_columns c WHERE c.constraint_object_id = f.object_id) AS smallint) AS keycnt "
     "FROM sys.foreign_keys f",
     false},
    {"sys", "sysconstraints",
     "constid int, id int, colid smallint null, spare1 tinyint null, status int null, actions int "
     "null, error int null",
     NULL,
     "SELECT o.object_id AS constid, o.parent_object_id AS id, CAST(0 AS smallint) AS colid, "
     "CAST(0 AS tinyint) AS spare1, CASE o.type WHEN 'PK' THEN 1 WHEN 'UQ' THEN 2 WHEN 'F' THEN 3 "
     "WHEN 'C' THEN 4 WHEN 'D' THEN 5 ELSE 0 END AS status, 4096 AS actions, 0 AS error FROM "
     "sys.objects o WHERE o.type IN ('PK', 'UQ', 'F', 'C', 'D')",
     false},
    {"sys", "sysdatabases",
     "name sysname, dbid smallint null, sid varbinary(85) null, mode smallint null, status int "
     "null, status2 int null, crdate datetime, reserved datetime null, category int null, "
     "cmptlevel "
     "tinyint, filename nvarchar(260) null, version smallint null",
     NULL,
     "SELECT name, CAST(database_id AS smallint) AS dbid, owner_sid AS sid, CAST(0 AS smallint) AS "
     "mode, 0 AS status, 0 AS status2, create_date AS crdate, CAST(NULL AS datetime) AS reserved, "
     "0 AS category, compatibility_level AS cmptlevel, CAST(NULL AS nvarchar(260)) AS filename, "
     "CAST(904 AS smallint) AS version FROM sys.databases",
     false},
    {"sys", "sysprocesses",
     "spid smallint, kpid smallint, blocked smallint, waittype binary(2) null, waittime bigint, "
     "lastwaittype nchar(32), waitresource nchar(256), dbid smallint null, uid smallint null, cpu "
     "int, physical_io bigint, memusage int, login_time datetime, last_batch datetime null, ecid "
     "smallint, open_tran smallint null, status nchar(30), sid binary(86) null, hostname "
     "nchar(128) null, program_name nchar(128) null, hostprocess nchar(10) null, cmd nchar(26), "
     "nt_domain nchar(128) null, nt_username nchar(128) null, net_address nchar(12) null, "
     "net_library nchar(12) null, loginame nchar(128) null, context_info varbinary(128) null, "
     "sql_handle binary(20) null, stmt_start int, stmt_end int, request_id int, page_resource "
     "binary(8) null",
     NULL,
     "SELECT s.session_id AS spid, CAST(0 AS smallint) AS kpid, "
     "ISNULL(r.blocking_session_id, CAST(0 AS smallint)) AS blocked, CAST(0 AS binary(2)) AS "
     "waittype, CAST(ISNULL(r.wait_time, 0) AS bigint) AS waittime, CAST(ISNULL(r.last_wait_type, "
     "'') AS nchar(32)) AS lastwaittype, CAST(ISNULL(r.wait_resource, '') AS nchar(256)) AS "
     "waitresource, s.database_id AS dbid, CAST(1 AS smallint) AS uid, s.cpu_time AS cpu, "
     "s.reads + s.writes AS physical_io, s.memory_usage AS memusage, s.login_time, "
     "s.last_request_start_time AS last_batch, CAST(0 AS smallint) AS ecid, "
     "CAST(s.open_transaction_count AS "
     "smallint) AS open_tran, CAST(ISNULL(r.status, s.status) AS nchar(30)) AS status, "
     "CAST(NULL AS binary(86)) AS sid, CAST(s.host_name AS nchar(128)) AS hostname, "
     "CAST(s.program_name AS nchar(128)) AS "
     "program_name, CAST(s.host_process_id AS nchar(10)) AS hostprocess, CAST(ISNULL(r.command, "
     "'AWAITING COMMAND') AS nchar(26)) AS cmd, CAST(NULL AS nchar(128)) AS nt_domain, "
     "CAST(NULL AS nchar(128)) AS nt_username, CAST(NULL AS nchar(12)) AS net_address, "
     "CAST(c.net_transport AS nchar(12)) AS net_library, CAST(s.login_name AS nchar(128)) AS "
     "loginame, s.context_info, CAST(ISNULL(r.sql_handle, c.most_recent_sql_handle) AS "
     "binary(20)) AS sql_handle, "
     "ISNULL(r.statement_start_offset, 0) AS stmt_start, ISNULL(r.statement_end_offset, 0) AS "
     "stmt_end, ISNULL(r.request_id, 0) AS request_id, CAST(NULL AS binary(8)) AS page_resource "
     "FROM sys.dm_exec_sessions s LEFT JOIN sys.dm_exec_requests r ON r.session_id = s.session_id "
     "LEFT JOIN sys.dm_exec_connections c ON c.session_id = s.session_id",
     false},
    {0},
};
