#!/usr/bin/env python3
"""A Django project of one file: programs of the demo's corpus, and a page for each with those like it.

    pip install django pgvector psycopg[binary]
    python examples/django_app.py load          # makes the table shop_program
    python examples/django_app.py runserver     # http://127.0.0.1:8000/gimp?section=graphics
    python examples/django_app.py show gimp     # the same page as text

in a database of yours (PGHOST and PGDATABASE say which).
"""

import csv
import gzip
import os
import pathlib
import re
import sys

import django
from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import path
from django.utils.html import format_html, format_html_join

settings.configure(DEBUG=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1", "localhost", "testserver"], USE_TZ=True,
                   INSTALLED_APPS=["django.contrib.postgres"], DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
                   DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ.get("PGDATABASE", "postgres")}})
django.setup()

from django.contrib.postgres.indexes import OpClass  # noqa: E402
from django.db import connection, models, transaction  # noqa: E402
from pgvector.django import CosineDistance, HalfVectorField, HnswIndex  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parent.parent / "demo/data/packages.tsv.gz"


class Program(models.Model):
    name = models.TextField(unique=True)
    section = models.TextField()
    summary = models.TextField()
    embedding = HalfVectorField(dimensions=384)

    class Meta:
        app_label = "shop"
        # The section is a filter column: the index tests it by itself.
        indexes = [HnswIndex(OpClass("embedding", "halfvec_cosine_ops"), "section", name="program_embedding")]


def like(name, section=None, n=5):
    program = Program.objects.filter(name=name).first()
    if program is None:
        raise Http404(f"no program is called {name}")
    others = Program.objects.exclude(pk=program.pk)
    if section:
        others = others.filter(section=section)
    return program, others.annotate(distance=CosineDistance("embedding", program.embedding)).order_by("distance")[:n]


def page(request, name):
    program, others = like(name, request.GET.get("section"))
    return HttpResponse(format_html(
        "<title>{}</title><h1>{}</h1><p>{}<h2>Like it</h2><ul>{}</ul>", program.name, program.name, program.summary,
        format_html_join("", '<li><a href="/{}">{}</a> ({}): {}', ((p.name, p.name, p.section, p.summary) for p in others))))


urlpatterns = [path("<str:name>", page)]


def load():
    csv.field_size_limit(1 << 20)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS vector")
        cursor.execute("DROP TABLE IF EXISTS shop_program")
        with connection.schema_editor() as editor:
            editor.create_model(Program)
        with gzip.open(DATA, "rt") as f:
            Program.objects.bulk_create([
                Program(name=name, section=section, summary=summary, embedding=[float(x) for x in embedding[1:-1].split(",")])
                for name, section, _, summary, _, embedding in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE)])
        cursor.execute("ANALYZE shop_program")


def show(target="gimp?section=graphics"):
    from django.test import Client
    print(re.sub(r"(<[^>]+>)+", "\n", Client().get(f"/{target}").content.decode()).strip())


if __name__ == "__main__":
    command = sys.argv[1] if len(sys.argv) > 1 else "all"
    if command in ("load", "all"):
        load()
    if command in ("show", "all"):
        show(*sys.argv[2:3])
    if command not in ("load", "show", "all"):
        from django.core.management import execute_from_command_line
        execute_from_command_line(sys.argv)
