import com.pgvector.PGbit;
import com.pgvector.PGhalfvec;
import com.pgvector.PGsparsevec;
import com.pgvector.PGvector;
import java.sql.*;
import java.util.*;

/** Values of each type there and back, nearest rows by each operator, batches, errors: one line of TAP for each. */
public class Types {
    static Connection conn;
    static int count;

    static void is(Object found, Object wanted, String what) {
        System.out.println((Objects.equals(found, wanted) ? "ok " : "not ok ") + ++count + " - " + what);
        if (!Objects.equals(found, wanted)) {
            System.out.println("# found " + found + ", wanted " + wanted);
        }
    }

    static List<Long> nearest(String order, Object query) throws SQLException {
        try (PreparedStatement s = conn.prepareStatement("SELECT id FROM items ORDER BY " + order + ", id LIMIT 5")) {
            s.setObject(1, query);
            List<Long> found = new ArrayList<>();
            ResultSet rows = s.executeQuery();
            while (rows.next()) {
                found.add(rows.getLong(1));
            }
            return found;
        }
    }

    public static void main(String[] args) throws SQLException {
        conn = DriverManager.getConnection("jdbc:postgresql://localhost:5432/" + System.getenv("PGDATABASE"), "postgres", "postgres");
        PGvector.registerTypes(conn);
        Statement s = conn.createStatement();
        s.execute("CREATE TABLE items (id bigint PRIMARY KEY, embedding vector(3), half halfvec(3), bits bit(3), sparse sparsevec(3))");
        float[][] values = {{1, 1, 1}, {2, 2, 2}, {1, 1, 2}};
        String[] bits = {"000", "101", "111"};
        try (PreparedStatement insert = conn.prepareStatement("INSERT INTO items VALUES (?, ?, ?, ?, ?)")) {
            for (int i = 0; i < 3; i++) {
                insert.setLong(1, i + 1);
                insert.setObject(2, new PGvector(values[i]));
                insert.setObject(3, new PGhalfvec(values[i]));
                insert.setObject(4, new PGbit(bits[i]));
                insert.setObject(5, new PGsparsevec(values[i]));
                insert.addBatch();
            }
            is(insert.executeBatch().length, 3, "a batch");
        }
        ResultSet row = s.executeQuery("SELECT * FROM items WHERE id = 3");
        row.next();
        is(row.getObject(2), new PGvector(values[2]), "vector comes back");
        is(row.getObject(3), new PGhalfvec(values[2]), "halfvec comes back");
        is(row.getObject(5), new PGsparsevec(values[2]), "sparsevec comes back");
        PGvector one = new PGvector(values[0]);
        is(nearest("embedding <-> ?", one), List.of(1L, 3L, 2L), "L2");
        is(nearest("embedding <#> ?", one), List.of(2L, 3L, 1L), "inner product");
        is(nearest("embedding <+> ?", one), List.of(1L, 3L, 2L), "L1");
        is(nearest("embedding <=> ?", new PGvector(new float[] {2, 2, 1})).get(2), 3L, "cosine");
        is(nearest("half <-> ?", new PGhalfvec(values[0])), List.of(1L, 3L, 2L), "halfvec");
        is(nearest("sparse <-> ?", new PGsparsevec(values[0])), List.of(1L, 3L, 2L), "sparsevec");
        is(nearest("bits <~> ?", new PGbit("101")), List.of(2L, 3L, 1L), "Hamming");
        s.execute("CREATE INDEX ON items USING hnsw (embedding vector_l2_ops)");
        s.execute("CREATE INDEX ON items USING ivfflat (embedding vector_l2_ops) WITH (lists = 1)");
        s.execute("SET enable_seqscan = off");
        for (int i = 0; i < 8; i++) {
            is(nearest("embedding <-> ?", one), List.of(1L, 3L, 2L), "by an index, prepared, run " + i);
        }
        try {
            s.execute("INSERT INTO items (id, embedding) VALUES (9, '[1,2]')");
            is("no error", "22000", "another number of dimensions");
        } catch (SQLException e) {
            is(e.getSQLState(), "22000", "another number of dimensions");
        }
    }
}
