#!/bin/sh
# Prints the secret of an installation that has its stores in the cluster, with new random passwords:
#   sh compose/kubernetes/secrets.sh | kubectl create -f -
# It is made once. `create` refuses to replace one: the stores keep the passwords of their first start.
set -eu

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

database=$(random)
registry_tables=$(random)
queue=$(random)

cat <<SECRET
apiVersion: v1
kind: Secret
metadata:
  name: driftdesk
  namespace: driftdesk
type: Opaque
stringData:
  mysql_root_password: "$(random)"
  mysql_password: "$database"
  mysql_mlflow_password: "$registry_tables"
  redis_password: "$queue"
  redis_users: "user default on >$queue ~* &* +@all"
  database_url: "mysql+pymysql://driftdesk:$database@mysql:3306/driftdesk"
  redis_url: "redis://default:$queue@redis:6379/0"
  mlflow_backend_store_uri: "mysql+pymysql://mlflow:$registry_tables@mysql:3306/mlflow"
  mlflow_admin_password: "$(random)"
  mlflow_worker_password: "$(random)"
  mlflow_reader_password: "$(random)"
  mlflow_flask_server_secret_key: "$(random)"
  serving_push_secret: "$(random)"
SECRET
