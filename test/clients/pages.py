def run(client, dir, report, top, fresh_database, psql):
    pass
