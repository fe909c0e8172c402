# Pretends to work.
echo "agent: $*"
while :; do sleep 60; done
