# Run by MySQL's image once, when its disk is empty: MLflow's tables have a database and a user of their own.
docker_process_sql --database=mysql <<SQL
CREATE DATABASE mlflow CHARACTER SET utf8mb4;
CREATE USER 'mlflow'@'%' IDENTIFIED BY '$(cat /run/secrets/mysql_mlflow_password)';
GRANT ALL PRIVILEGES ON mlflow.* TO 'mlflow'@'%';
SQL
