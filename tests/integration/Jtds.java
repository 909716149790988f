/* What test_jtds.py judges: each call's result on a line of its own, "name: result". usage: Jtds URL USER, the password
 * in QUIRE_PASSWORD. */
import java.math.BigDecimal;
import java.sql.*;
import java.util.Arrays;
import java.util.Random;

public class Jtds {
    interface Call { Object run() throws Exception; }

    static void say(String name, Call call) {
        Object result;
        try {
            result = call.run();
        } catch (SQLException e) {
            result = e.getErrorCode() + " " + e.getSQLState();
        } catch (Exception e) {
            result = e;
        }
        System.out.println(name + ": " + result);
    }

    /* The columns named, of all rows. */
    static String rows(ResultSet set, String... columns) throws SQLException {
        StringBuilder out = new StringBuilder();
        while (set.next()) {
            out.append(out.length() == 0 ? "" : "; ");
            for (String column : columns)
                out.append(column.equals(columns[0]) ? "" : ",").append(set.getString(column));
        }
        return out.toString();
    }

    static void metadata(Connection c) throws SQLException {
        DatabaseMetaData data = c.getMetaData();
        say("tables", () -> rows(data.getTables(null, "dbo", "%", new String[] {"TABLE"}), "TABLE_NAME", "TABLE_TYPE"));
        say("columns", () -> rows(data.getColumns(null, "dbo", "parent", "%"), "COLUMN_NAME", "TYPE_NAME", "COLUMN_SIZE",
                                  "IS_NULLABLE"));
        say("keys", () -> rows(data.getPrimaryKeys(null, "dbo", "child"), "COLUMN_NAME", "KEY_SEQ"));
        say("imported", () -> rows(data.getImportedKeys(null, "dbo", "child"), "PKTABLE_NAME", "PKCOLUMN_NAME",
                                   "FKCOLUMN_NAME", "DELETE_RULE"));
        say("exported", () -> rows(data.getExportedKeys(null, "dbo", "parent"), "FKTABLE_NAME", "FKCOLUMN_NAME"));
        say("indexes", () -> rows(data.getIndexInfo(null, "dbo", "parent", false, false), "INDEX_NAME", "NON_UNIQUE",
                                  "COLUMN_NAME"));
        say("parameters", () -> rows(data.getProcedureColumns(null, "dbo", "twice", "%"), "COLUMN_NAME", "COLUMN_TYPE",
                                     "TYPE_NAME"));
        say("rowid", () -> rows(data.getBestRowIdentifier(null, "dbo", "parent", 1, true), "COLUMN_NAME"));
        say("version", () -> rows(data.getVersionColumns(null, "dbo", "parent"), "COLUMN_NAME"));
        say("schemas", () -> rows(data.getSchemas(), "TABLE_SCHEM").contains("dbo"));
        say("types", () -> rows(data.getTypeInfo(), "TYPE_NAME").contains("nvarchar"));
    }

    static void values(Connection c) throws SQLException {
        String text = "x".repeat(2500000) + "grün𝄞";
        byte[] bytes = new byte[5000000];
        new Random(1).nextBytes(bytes);
        say("insert", () -> {
            PreparedStatement p = c.prepareStatement("INSERT parent (n, d, at, x, b) VALUES (?, ?, ?, ?, ?)",
                                                     Statement.RETURN_GENERATED_KEYS);
            p.setString(1, "häß€𝄞");
            p.setBigDecimal(2, new BigDecimal("1234567890123456789012345678.0123456789"));
            p.setTimestamp(3, Timestamp.valueOf("2026-02-28 23:59:59.997"));
            p.setString(4, text);
            p.setBytes(5, bytes);
            p.executeUpdate();
            ResultSet key = p.getGeneratedKeys();
            key.next();
            return key.getInt(1);
        });
        say("read", () -> {
            ResultSet r = c.createStatement().executeQuery("SELECT * FROM parent");
            r.next();
            return r.getString("n") + " " + r.getBigDecimal("d") + " " + text.equals(r.getString("x")) + " "
                + Arrays.equals(bytes, r.getBytes("b")) + " " + r.getMetaData().isAutoIncrement(1);
        });
        say("batch", () -> {
            PreparedStatement p = c.prepareStatement("INSERT child VALUES (?, ?, ?)");
            for (int i = 0; i < 200; i++) {
                p.setInt(1, i);
                p.setInt(2, -i);
                if (i % 2 == 0)
                    p.setNull(3, Types.INTEGER);
                else
                    p.setInt(3, 1);
                p.addBatch();
            }
            return Arrays.stream(p.executeBatch()).sum();
        });
        say("duplicate", () -> c.createStatement().execute("INSERT child VALUES (1, -1, NULL)"));
        say("parentless", () -> c.createStatement().execute("INSERT child VALUES (1, 1, 777)"));
        say("no table", () -> c.createStatement().executeQuery("SELECT * FROM nosuch"));
    }

    static void calls(Connection c) throws SQLException {
        say("procedure", () -> {
            CallableStatement p = c.prepareCall("{? = call twice(?, ?)}");
            p.registerOutParameter(1, Types.INTEGER);
            p.setInt(2, 21);
            p.registerOutParameter(3, Types.VARCHAR);
            int sets = 0;
            for (boolean is = p.execute(); is || p.getUpdateCount() != -1; is = p.getMoreResults())
                sets += is ? 1 : 0;
            return sets + " " + p.getInt(1) + " " + p.getString(3);
        });
        say("savepoint", () -> {
            c.setAutoCommit(false);
            Statement s = c.createStatement();
            s.executeUpdate("INSERT child VALUES (9000, 1, NULL)");
            Savepoint mark = c.setSavepoint("mark");
            s.executeUpdate("INSERT child VALUES (9001, 1, NULL)");
            c.rollback(mark);
            c.commit();
            ResultSet r = s.executeQuery("SELECT COUNT(*) FROM child WHERE a >= 9000");
            r.next();
            int count = r.getInt(1);
            c.rollback();
            c.setAutoCommit(true);
            return count;
        });
        say("levels", () -> {
            StringBuilder out = new StringBuilder();
            for (int level : new int[] {1, 2, 4, 8}) {
                c.setTransactionIsolation(level);
                ResultSet r = c.createStatement().executeQuery(
                    "SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID");
                r.next();
                out.append(r.getInt(1));
            }
            return out;
        });
        say("timeout", () -> {
            Statement s = c.createStatement();
            s.setQueryTimeout(1);
            return s.execute("WAITFOR DELAY '00:01:00'");
        });
        say("limited", () -> {
            Statement s = c.createStatement();
            s.setMaxRows(3);
            return rows(s.executeQuery("SELECT a FROM child ORDER BY a"), "a");
        });
    }

    /* Cursors of the server: result sets that scroll or change rows, names, useCursors. */
    static void cursors(Connection c, String url, String user) throws Exception {
        c.createStatement().execute("CREATE TABLE cur (i int PRIMARY KEY, v nvarchar(20), n int) INSERT cur VALUES "
                                    + "(1, N'a', 10), (2, N'b', 20), (3, N'c', 30), (4, N'd', 40)");
        String all = "SELECT i, v, n FROM cur ORDER BY i";
        say("scrolled", () -> {
            ResultSet r = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY).executeQuery(all);
            StringBuilder out = new StringBuilder();
            boolean[] moves = {r.last(), r.previous(), r.absolute(2), r.relative(-1), r.previous(), r.next(), r.absolute(-1),
                               r.next(), r.absolute(99), r.first()};
            for (boolean moved : moves)
                out.append(moved ? 1 : 0);
            r.afterLast();
            r.previous();
            out.append(" ").append(r.getInt(1)).append(" ").append(r.getRow()).append(r.isLast());
            r.beforeFirst();
            out.append(" ").append(rows(r, "i", "v")).append(" ").append(r.getMetaData().getColumnCount());
            r.close();
            return out;
        });
        say("scrolled with parameters", () -> {
            PreparedStatement p = c.prepareStatement("SELECT i FROM cur WHERE n >= ? AND v <> ? ORDER BY i",
                                                     ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
            StringBuilder out = new StringBuilder();
            for (int least : new int[] {10, 25}) {
                p.setInt(1, least);
                p.setString(2, "d");
                ResultSet r = p.executeQuery();
                r.last();
                out.append(r.getInt(1)).append("/").append(r.getRow()).append(" ");
            }
            p.close();
            return out;
        });
        say("updated", () -> {
            ResultSet r = c.createStatement(ResultSet.TYPE_SCROLL_SENSITIVE, ResultSet.CONCUR_UPDATABLE).executeQuery(all);
            r.absolute(2);
            r.updateString("v", "grün");
            r.updateNull("n");
            r.updateRow();
            r.next();
            r.deleteRow();
            r.moveToInsertRow();
            r.updateInt("i", 9);
            r.updateString("v", "new");
            r.insertRow();
            r.close();
            return rows(c.createStatement().executeQuery(all), "i", "v", "n");
        });
        say("updated forward", () -> {
            ResultSet r = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_UPDATABLE).executeQuery(all);
            while (r.next()) {
                r.updateInt("n", r.getInt(1) * 100);
                r.updateRow();
            }
            r.close();
            return rows(c.createStatement().executeQuery(all), "n");
        });
        say("named", () -> {
            Statement s = c.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_UPDATABLE);
            s.setCursorName("mine");
            ResultSet r = s.executeQuery("SELECT i, v, n FROM cur ORDER BY i FOR UPDATE");
            r.next();
            r.next();
            int count = c.createStatement().executeUpdate("UPDATE cur SET v = N'by name' WHERE CURRENT OF " + r.getCursorName());
            r.close();
            return count + " " + rows(c.createStatement().executeQuery(all), "v");
        });
        say("not found", () -> c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)
                                .executeQuery("SELECT * FROM nosuch"));
        try (Connection d = DriverManager.getConnection(url + ";useCursors=true;prepareSQL=3", user,
                                                        System.getenv("QUIRE_PASSWORD"))) {
            say("useCursors", () -> {
                ResultSet a = d.createStatement().executeQuery(all);
                a.next();
                ResultSet b = d.createStatement().executeQuery("SELECT i FROM cur ORDER BY i DESC");
                b.next();
                a.next();
                String out = a.getInt(1) + " " + b.getInt(1) + " " + rows(b, "i");
                return out + " " + rows(a, "i");
            });
            say("prepared cursor", () -> {
                PreparedStatement p = d.prepareStatement("SELECT i FROM cur WHERE i > ? ORDER BY i",
                                                         ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY);
                StringBuilder out = new StringBuilder();
                for (int least : new int[] {0, 1, 3}) {
                    p.setInt(1, least);
                    ResultSet r = p.executeQuery();
                    r.last();
                    out.append(r.getRow());
                }
                return out;
            });
        }
    }

    public static void main(String[] args) throws Exception {
        Class.forName("net.sourceforge.jtds.jdbc.Driver");
        try (Connection c = DriverManager.getConnection(args[0], args[1], System.getenv("QUIRE_PASSWORD"))) {
            Statement s = c.createStatement();
            s.execute("CREATE TABLE parent (id int IDENTITY PRIMARY KEY, n nvarchar(50) NOT NULL, d decimal(38, 10), "
                      + "at datetime2(3), x nvarchar(max), b varbinary(max), rv rowversion)");
            s.execute("CREATE UNIQUE INDEX ix_n ON parent (n, d)");
            s.execute("CREATE TABLE child (a int NOT NULL, b int NOT NULL, parent int REFERENCES parent ON DELETE CASCADE, "
                      + "PRIMARY KEY (b, a))");
            s.execute("CREATE PROCEDURE twice @a int, @b nvarchar(20) OUTPUT AS BEGIN SELECT @a * 2 AS twice "
                      + "SET @b = N'grün' SELECT 2 AS second RETURN 7 END");
            metadata(c);
            values(c);
            calls(c);
            cursors(c, args[0], args[1]);
        }
    }
}
