"""The product from outside: a real server as a process, real clients, nothing imported from the server's packages."""
