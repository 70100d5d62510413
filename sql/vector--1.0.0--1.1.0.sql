-- vector 1.0.0 to 1.1.0
--
-- What this leaves must be what vector--1.1.0.sql creates, object by object;
-- test/t/005_upgrade.pl compares the two.

-- complain if script is sourced in psql, rather than via ALTER EXTENSION
\echo Use "ALTER EXTENSION vector UPDATE TO '1.1.0'" to load this file. \quit
