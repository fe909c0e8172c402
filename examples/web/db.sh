# Pretends to be a database that ends cleanly on SIGINT.
trap 'echo "checkpoint written"; exit 0' INT
while :; do sleep 1 & wait $! || true; done
