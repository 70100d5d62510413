module clients

go 1.23.0

require (
	github.com/jackc/pgx/v5 v5.7.2
	github.com/pgvector/pgvector-go v0.3.0
)
