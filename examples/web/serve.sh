# Pretends to serve; SIGHUP makes it read its settings again.
trap 'echo "settings read again"' HUP
echo "serving: $*"
while :; do sleep 1 & wait $! || true; done
